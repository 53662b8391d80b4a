"""The functions' images: what goes into one, and how all are built."""
