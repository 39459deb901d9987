"""PlantedHighlights: recordings whose best moments are known, and how well a ranker finds them."""
