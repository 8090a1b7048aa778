//! Verification of the owner's signature over an order.
