//! Display of what is proposed, the owner's key, and the signing of orders.
