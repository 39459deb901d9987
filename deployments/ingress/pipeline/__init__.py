"""The way of a request from admission to its model: estimate, reserve, call, settle."""
