"""`StorePanel`: what is in a store and its queues while others work on them."""
