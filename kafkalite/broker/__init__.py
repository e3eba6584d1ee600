"""Where pure rules meet loop, clock and disk."""
