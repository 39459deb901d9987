"""How Mobula runs in production: images, compose, and manifests for KubeRay, from typed values."""
