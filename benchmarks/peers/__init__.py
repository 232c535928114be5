"""What archsim is set beside: one module for each peer, with what is measured of both and what the page says of it."""
