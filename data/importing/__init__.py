"""Import of other recordings: read their lists, split them by artist, write FMA's tables."""
