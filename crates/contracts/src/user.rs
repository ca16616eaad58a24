//! What the user service says and stores of a user.

use crate::envelope::fact;
use crate::id::UserId;
use serde::{Deserialize, Serialize};

/// Whom to write to about an order: a copy taken when the order was placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// The customer's address.
    pub email: String,
    /// The customer's name.
    pub name: String,
}

/// A user was created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserCreated {
    /// Who.
    pub user_id: UserId,
}

/// A user's address or name changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserUpdated {
    /// Who.
    pub user_id: UserId,
}

/// A user was deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserDeleted {
    /// Who.
    pub user_id: UserId,
}

fact!("ordersaga.user", UserCreated, UserUpdated, UserDeleted);
