"""Which model serves: models as signed directories, the gate that a new one passes, the training that makes one, and the change without a stop."""
