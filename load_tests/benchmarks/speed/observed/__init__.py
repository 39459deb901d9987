"""The parts of `./mobula bench metrics`."""
