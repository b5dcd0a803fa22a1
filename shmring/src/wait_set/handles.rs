//! The handles that a set can have.

use std::sync::Arc;

use crate::element::Element;
use crate::endpoint::watch::Watch;
use crate::{Consumer, Producer, Worker, values};

/// What a set shares with a handle.
#[derive(Debug)]
pub struct Shared(pub(super) Arc<Watch>);

/// Outside the crate it has no name, so nobody else implements it.
pub trait Watched {
    #[doc(hidden)]
    fn shared(&self) -> Shared;
}

/// A consumer of any kind.
pub trait Readable: Watched {}

/// A producer of any kind.
pub trait Writable: Watched {}

macro_rules! watched {
    ([$($value:ident)?] $handle:ty as $kind:ident) => {
        impl$(<$value: Element>)? Watched for $handle {
            fn shared(&self) -> Shared {
                Shared(Arc::clone(self.watched()))
            }
        }

        impl$(<$value: Element>)? $kind for $handle {}
    };
}

watched!([] Consumer as Readable);
watched!([] Worker as Readable);
watched!([] Producer as Writable);
watched!([T] values::Consumer<T> as Readable);
watched!([T] values::Producer<T> as Writable);
