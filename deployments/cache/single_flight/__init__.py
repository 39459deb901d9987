"""One computation for equal requests, in one replica and across replicas."""
