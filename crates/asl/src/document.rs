//! A definition as written: JSON with a pointer to every place in it.
//!
//! Owns: reading the text, looking fields up, and knowing which ones nobody looked at. Does not
//! own: what they mean.

use crate::expression::pointer_to;
use serde_json::{Map, Value};

/// A value somewhere in a definition.
#[derive(Clone, Debug)]
pub(crate) struct Node<'a> {
    pub(crate) pointer: String,
    pub(crate) value: &'a Value,
}

impl<'a> Node<'a> {
    pub(crate) const fn root(value: &'a Value) -> Self {
        Self { pointer: String::new(), value }
    }

    /// The elements of an array, or nothing if it is none.
    pub(crate) fn elements(&self) -> Option<Vec<Self>> {
        let elements = self.value.as_array()?.iter().enumerate();
        let element = |(index, value)| Self { pointer: format!("{}/{index}", self.pointer), value };
        Some(elements.map(element).collect())
    }

    /// The members of an object, or nothing if it is none.
    pub(crate) fn members(&self) -> Option<Vec<(&'a str, Self)>> {
        let members = self.value.as_object()?.iter();
        let member = |(name, value): (&'a String, &'a Value)| {
            let pointer = pointer_to(&self.pointer, name);
            (name.as_str(), Self { pointer, value })
        };
        Some(members.map(member).collect())
    }

    /// The object's fields, to be looked up one by one, or nothing if it is none.
    pub(crate) fn fields(&self) -> Option<Fields<'a>> {
        let members = self.value.as_object()?;
        let (pointer, value) = (self.pointer.clone(), self.value);
        Some(Fields { pointer, value, members, known: Vec::new() })
    }
}

/// The fields of an object, and which of them were looked at.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    pub(crate) pointer: String,
    value: &'a Value,
    members: &'a Map<String, Value>,
    known: Vec<String>,
}

impl<'a> Fields<'a> {
    /// The object itself.
    pub(crate) fn node(&self) -> Node<'a> {
        Node { pointer: self.pointer.clone(), value: self.value }
    }

    /// The field of this name, which is then known.
    pub(crate) fn take(&mut self, name: &str) -> Option<Node<'a>> {
        self.known.push(name.to_owned());
        self.peek(name)
    }

    /// The field of this name, which stays unknown unless it is taken.
    pub(crate) fn peek(&self, name: &str) -> Option<Node<'a>> {
        let value = self.members.get(name)?;
        Some(Node { pointer: pointer_to(&self.pointer, name), value })
    }

    /// The fields that nobody asked for, in the order of the definition.
    pub(crate) fn unknown(&self) -> Vec<&'a str> {
        let names = self.members.keys().map(String::as_str);
        names.filter(|name| self.known.iter().all(|known| known != name)).collect()
    }
}
