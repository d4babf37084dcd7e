"""A request's life between the two dialects: bought, waited for, collected."""
