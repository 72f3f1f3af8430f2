"""Commands that need files of their own; ``cli`` gathers them."""
