//! The user: what may happen to one, and what becomes of it.
//!
//! Owns: the rules about one user. Pure: values in, values out.
//! Does not own: that no two users have the same address ([`crate::claim`]).

use crate::email::Email;
use contracts::{Timestamp, UserId};

/// A user; nobody is in a state of their own here but to be there or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Which user.
    pub id: UserId,
    /// Where to write to.
    pub email: Email,
    /// How to address them.
    pub name: String,
    /// Since when they are known.
    pub created_at: Timestamp,
}

/// What can be asked of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Make one.
    Create(User),
    /// Change address and name.
    Update {
        /// The address that the user has, as far as the caller knows.
        from: Email,
        /// The new address; claimed before, unless it is the same.
        email: Email,
        /// The new name.
        name: String,
    },
    /// Put the address back, if it is still the one whose claim was lost.
    Revert {
        /// The address that somebody else claimed.
        lost: Email,
        /// The address to put back.
        to: Email,
    },
    /// Forget the user.
    Delete,
}

/// What happened to a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// There is one more.
    Created(User),
    /// Address or name changed.
    Updated {
        /// The new address.
        email: Email,
        /// The new name.
        name: String,
    },
    /// There is one less.
    Deleted,
}

/// Why a user says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// There is no such user.
    NoSuchUser,
    /// There is one of this id already.
    Exists,
    /// Somebody else has the address.
    EmailTaken,
    /// The user has another address than the caller knows, so another claim is to be dropped.
    Moved,
    /// The user is not at a version that was asked for.
    VersionConflict,
}

/// Decides what a command changes; nothing when it is so already.
///
/// # Errors
/// See [`Rejection`]: nothing changes.
pub fn decide(user: Option<&User>, command: &Command) -> Result<Vec<Event>, Rejection> {
    match (user, command) {
        (None, Command::Create(user)) => Ok(vec![Event::Created(user.clone())]),
        (Some(user), Command::Create(wanted))
            if user.email == wanted.email && user.name == wanted.name =>
        {
            Ok(vec![])
        }
        (Some(user), Command::Update { from, email, name }) => {
            let events = update(user, email, name);
            let moved = !events.is_empty() && !user.email.is_same(from);
            if moved { Err(Rejection::Moved) } else { Ok(events) }
        }
        (Some(_), Command::Delete) => Ok(vec![Event::Deleted]),
        (Some(user), Command::Revert { lost, to }) if user.email == *lost => {
            Ok(update(user, to, &user.name))
        }
        (Some(_), Command::Revert { .. }) => Ok(vec![]),
        (Some(_), Command::Create(_)) => Err(Rejection::Exists),
        (None, Command::Update { .. } | Command::Revert { .. } | Command::Delete) => {
            Err(Rejection::NoSuchUser)
        }
    }
}

fn update(user: &User, email: &Email, name: &str) -> Vec<Event> {
    if user.email == *email && user.name == name {
        return vec![];
    }
    vec![Event::Updated { email: email.clone(), name: name.to_owned() }]
}

/// Folds an event into a user; `Updated` means nothing to a user that is not there.
pub fn apply(user: &mut Option<User>, event: &Event) {
    match event {
        Event::Created(created) => *user = Some(created.clone()),
        Event::Updated { email, name } => {
            if let Some(user) = user {
                user.email = email.clone();
                user.name.clone_from(name);
            }
        }
        Event::Deleted => *user = None,
    }
}

/// Checks what is true of every user, whatever happened to it.
///
/// # Errors
/// What is not true, in words.
pub fn invariants(user: &User) -> Result<(), &'static str> {
    if user.email.as_str().parse::<Email>().is_err() {
        return Err("a user can be written to");
    }
    if user.name.trim().is_empty() {
        return Err("a user has a name");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn email(text: &str) -> Email {
        text.parse().unwrap()
    }

    fn ada() -> User {
        User {
            id: UserId::from_uuid(contracts::id::derived(&["ada"])),
            email: email("ada@example.com"),
            name: "Ada".to_owned(),
            created_at: Timestamp::EPOCH,
        }
    }

    fn update(address: &str, name: &str) -> Command {
        update_from("ada@example.com", address, name)
    }

    fn update_from(from: &str, address: &str, name: &str) -> Command {
        Command::Update { from: email(from), email: email(address), name: name.to_owned() }
    }

    /// Given this user, the command tells so many events and leads to that user, or is refused.
    fn check(given: Option<User>, when: &Command, then: Result<(usize, Option<User>), Rejection>) {
        let mut user = given;
        let decided = decide(user.as_ref(), when);
        let reached = decided.map(|events| {
            events.iter().for_each(|event| apply(&mut user, event));
            (events.len(), user)
        });
        assert_eq!(reached, then);
    }

    #[test]
    fn a_user_is_created_once() {
        check(None, &Command::Create(ada()), Ok((1, Some(ada()))));
        check(Some(ada()), &Command::Create(ada()), Ok((0, Some(ada()))));
        let other = User { name: "Lovelace".to_owned(), ..ada() };
        check(Some(ada()), &Command::Create(other), Err(Rejection::Exists));
    }

    #[test]
    fn an_update_changes_address_and_name_and_nothing_else() {
        let lovelace =
            User { email: email("lovelace@example.com"), name: "Lovelace".to_owned(), ..ada() };
        let when = update("lovelace@example.com", "Lovelace");
        check(Some(ada()), &when, Ok((1, Some(lovelace))));
    }

    #[test]
    fn an_update_to_what_is_so_already_tells_nobody() {
        check(Some(ada()), &update("ada@example.com", "Ada"), Ok((0, Some(ada()))));
    }

    #[test]
    fn an_update_is_refused_by_a_user_who_has_moved_meanwhile() {
        let when = update_from("old@example.com", "new@example.com", "Ada");
        check(Some(ada()), &when, Err(Rejection::Moved));
        let done = update_from("old@example.com", "ada@example.com", "Ada");
        check(Some(ada()), &done, Ok((0, Some(ada()))));
        let same_but_for_case = update_from("ADA@example.com", "Ada@example.com", "Ada");
        let written = User { email: email("Ada@example.com"), ..ada() };
        check(Some(ada()), &same_but_for_case, Ok((1, Some(written))));
    }

    #[test]
    fn only_the_address_whose_claim_was_lost_is_put_back() {
        let revert = |lost: &str| Command::Revert { lost: email(lost), to: email("old@x.org") };
        let back = User { email: email("old@x.org"), ..ada() };
        check(Some(ada()), &revert("ada@example.com"), Ok((1, Some(back))));
        check(Some(ada()), &revert("other@example.com"), Ok((0, Some(ada()))));
    }

    #[test]
    fn a_user_that_is_gone_takes_no_command_but_create() {
        check(Some(ada()), &Command::Delete, Ok((1, None)));
        let revert = Command::Revert { lost: email("a@x.org"), to: email("b@x.org") };
        for command in [Command::Delete, update("a@x.org", "A"), revert] {
            check(None, &command, Err(Rejection::NoSuchUser));
        }
    }

    fn any_command() -> impl Strategy<Value = Command> {
        let address = || "[ab]@x\\.org".prop_map(|text| email(&text));
        prop_oneof![
            address().prop_map(|email| Command::Create(User { email, ..ada() })),
            (address(), address(), "[A-C]").prop_map(|(from, email, name)| Command::Update {
                from,
                email,
                name
            }),
            (address(), address()).prop_map(|(lost, to)| Command::Revert { lost, to }),
            Just(Command::Delete),
        ]
    }

    proptest! {
        #[test]
        fn the_invariants_hold_after_any_commands(
            commands in prop::collection::vec(any_command(), 0..30),
        ) {
            let mut user = None;
            for command in &commands {
                for event in decide(user.as_ref(), command).iter().flatten() {
                    apply(&mut user, event);
                }
                prop_assert_eq!(user.as_ref().map_or(Ok(()), invariants), Ok(()));
            }
        }

        #[test]
        fn an_update_that_comes_again_changes_nothing(address in "[ab]@x\\.org", name in "[A-C]") {
            let mut user = Some(ada());
            let update = update(&address, &name);
            for event in decide(user.as_ref(), &update).iter().flatten() {
                apply(&mut user, event);
            }
            prop_assert_eq!(decide(user.as_ref(), &update), Ok(vec![]));
        }
    }
}
