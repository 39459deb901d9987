"""What `./mobula bench failover` measures, scenario by scenario."""
