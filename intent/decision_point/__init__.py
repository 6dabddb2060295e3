"""The policy decision point: a request comes in, and is normalized, put to policy, recorded and answered, in this order."""
