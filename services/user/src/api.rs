//! The HTTP edge of users, free of any HTTP framework: requests in, views and problems out.
//!
//! | request | read by | answered by |
//! |---|---|---|
//! | `POST /v1/users` | [`PutUser::read`] | 201, [`UserView::location`], the [`UserView`] |
//! | `GET /v1/users` | [`list`] | [`listing`] |
//! | `GET /v1/users/{id}` | – | [`UserView::of`] |
//! | `PUT /v1/users/{id}` | [`PutUser::read`], `If-Match` | the [`UserView`] |
//! | `DELETE /v1/users/{id}` | `If-Match` | 204 |
//!
//! Owns: field rules, field names, problem codes. Does not own: rules that need to know more than
//! the request.

use crate::email::Email;
use crate::record::Stored;
use crate::user::Rejection;
use contracts::fields::{self, Object};
use contracts::http::{Listing, PageRequest};
use contracts::problem::FieldError;
use contracts::query::Query;
use contracts::{Problem, Timestamp, UserId};
use ports::store::Page;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// The longest name, in characters: room for every name, none for a novel.
pub const NAME_LENGTH_MAX: usize = 200;

/// A user as a client creates or replaces one.
#[derive(Clone, Debug, PartialEq, Eq, ToSchema)]
pub struct PutUser {
    /// Where to write to; no two users share one, whatever its case.
    #[schema(value_type = String, format = "email", max_length = 254, example = "ada@example.com")]
    pub email: Email,
    /// How to address them.
    #[schema(min_length = 1, max_length = 200, example = "Ada")]
    pub name: String,
}

impl PutUser {
    /// Reads a request's body.
    ///
    /// # Errors
    /// Every wrong field: [`Problem::validation`].
    pub fn read(body: &Value) -> Result<Self, Vec<FieldError>> {
        let mut body = Object::read(body);
        let email = body.required("email", fields::parsed);
        let name = body.required("name", fields::text(1, NAME_LENGTH_MAX));
        let user = || Some(Self { email: email?, name: name? });
        body.finish_with(user())
    }
}

/// Reads the query parameters of a list: `limit`, `cursor`.
///
/// # Errors
/// Every wrong parameter: [`Problem::validation`].
pub fn list(pairs: &[(String, String)]) -> Result<PageRequest, Vec<FieldError>> {
    let mut query = Query::read(pairs);
    let page = query.page();
    query.finish().map(|()| page)
}

/// A user as clients see one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserView {
    /// Which user.
    pub id: UserId,
    /// Where to write to.
    #[schema(value_type = String, format = "email")]
    pub email: Email,
    /// How to address them.
    pub name: String,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it changed last.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// How often it was written; also its entity tag.
    pub version: u64,
}

impl UserView {
    /// Shows a user.
    #[must_use]
    pub fn of(stored: &Stored) -> Self {
        let user = stored.user.clone();
        Self {
            id: user.id,
            email: user.email,
            name: user.name,
            created_at: user.created_at,
            updated_at: stored.updated_at,
            version: stored.version,
        }
    }

    /// The path under which the user is found.
    #[must_use]
    pub fn location(&self) -> String {
        format!("/v1/users/{}", self.id)
    }
}

/// Shows a page of users.
#[must_use]
pub fn listing(page: &Page<Stored>) -> Listing<UserView> {
    Listing {
        items: page.items.iter().map(UserView::of).collect(),
        next_cursor: page.next.as_ref().map(|cursor| cursor.0.clone()),
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::NoSuchUser => Self::new(404, "not_found", "There is no such user"),
            Rejection::EmailTaken => Self::new(409, "email_taken", "The address is taken")
                .errors(vec![FieldError::new("/email", "belongs to another user")]),
            Rejection::VersionConflict => {
                Self::new(412, "version_conflict", "The user has changed meanwhile")
                    .detail("read it again and send its ETag as If-Match")
            }
            Rejection::Moved => Self::new(409, "conflict", "Somebody else changed the user")
                .detail("read it again and decide anew"),
            Rejection::Exists => Self::new(409, "user_exists", "There is such a user already"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// This body has problems at those pointers; none means that it is read.
    fn check(given: &Value, then: &[&str]) {
        let wrong = PutUser::read(given).err().unwrap_or_default();
        let pointers: Vec<&str> = wrong.iter().map(|e| e.pointer.as_str()).collect();
        assert_eq!(pointers, then, "{given}");
    }

    #[test]
    fn a_user_has_an_address_and_a_name() {
        check(&json!({"email": "ada@example.com", "name": "Ada"}), &[]);
        check(&json!({}), &["/email", "/name"]);
        check(&json!({"email": "ada", "name": " ", "age": 36}), &["/email", "/name", "/age"]);
        check(&json!({"email": 1, "name": "x".repeat(201)}), &["/email", "/name"]);
        check(&json!("ada"), &[""]);
    }

    #[test]
    fn a_view_never_changes_its_shape() {
        let text = concat!(
            r#"{"id":"usr_00000000000000000000000000000002","email":"ada@example.com","#,
            r#""name":"Ada","created_at":"2026-11-23T06:00:00.000Z","#,
            r#""updated_at":"2026-11-23T06:01:00.000Z","version":2}"#,
        );
        let view: UserView = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&view).unwrap(), text);
        assert_eq!(view.location(), "/v1/users/usr_00000000000000000000000000000002");
    }

    #[test]
    fn a_list_takes_a_limit_and_a_cursor_and_nothing_else() {
        let pairs = [("limit", "5"), ("name", "Ada")];
        let pairs: Vec<_> = pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec();
        let wrong = list(&pairs).unwrap_err();
        assert_eq!((wrong.len(), wrong[0].pointer.as_str()), (1, "?name"));
    }
}
