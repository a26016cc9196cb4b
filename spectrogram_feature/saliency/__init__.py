"""What in a segment speaks for a genre: integrated gradients, and figures of them."""
