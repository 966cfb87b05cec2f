"""What the panels' tests stand on: a backend in memory, transports to it, phantom images, and panels ready to be clicked."""
