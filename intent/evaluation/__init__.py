"""What the service would answer, held against labels: pure figures, two rules to beat, and reports."""
