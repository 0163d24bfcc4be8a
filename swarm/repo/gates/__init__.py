"""Gates: what decides, by running, whether a merged tree may land."""
