"""What pictures of simulations share: words, signs and their key."""
