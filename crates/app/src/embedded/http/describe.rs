//! What the API's document says about the layers around the handlers.
//!
//! Owns: the words. Does not own: the layers ([`crate::http::layers`]).

use contracts::problem::MEDIA_TYPE;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::{
    Content, Object, OpenApi as Document, Ref, RefOr, Required, ResponseBuilder, Type,
};

/// What the layers themselves answer: status, what it means, whether it says when to come again.
const ANSWERS: [(&str, &str, bool); 3] = [
    ("429", "A rate limit is reached: `rate_limited`", true),
    ("503", "Too many requests are running: `too_busy`; or a part does not answer", true),
    ("504", "The request's time is up, or a part did not answer: it may have been done", false),
];

/// Says of every call behind the layers what they read and answer.
pub(super) fn layers(document: &mut Document) {
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            operation.parameters.get_or_insert_default().push(RefOr::T(timeout()));
            for (status, description, comes_back) in ANSWERS {
                let content = Content::new(Some(Ref::from_schema_name("Problem")));
                let mut response =
                    ResponseBuilder::new().description(description).content(MEDIA_TYPE, content);
                if comes_back {
                    response = response.header("Retry-After", text("Seconds"));
                }
                let responses = &mut operation.responses.responses;
                responses.insert(status.to_owned(), RefOr::T(response.build()));
            }
            for response in operation.responses.responses.values_mut() {
                if let RefOr::T(response) = response {
                    response.headers.extend(standings());
                }
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, .. } = item;
    [get, put, post, delete].into_iter().flatten()
}

fn timeout() -> Parameter {
    ParameterBuilder::new()
        .name("Request-Timeout-Ms")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "how long you wait, in milliseconds: past it the request is dropped, and 504 answered; \
             at most 60000, and 45000 if you say nothing",
        ))
        .schema(Some(Object::with_type(Type::Integer)))
        .build()
}

/// How the limits stand after a request.
fn standings() -> [(String, RefOr<Header>); 2] {
    let of = |name: &str, header| (name.to_owned(), RefOr::T(header));
    [
        of("RateLimit-Policy", text("The limits: `\"principal\";q=5000;w=1`")),
        of("RateLimit", text("What is left of them: `\"principal\";r=4999;t=1`")),
    ]
}

fn text(description: &str) -> Header {
    HeaderBuilder::new()
        .schema(Some(Object::with_type(Type::String)))
        .description(Some(description))
        .build()
}
