"""What a cluster of `./mobula up -d` does when its processes are killed."""
