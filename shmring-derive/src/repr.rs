//! The `#[repr(...)]` attributes of a type.

use syn::parse::{Parse, ParseStream};
use syn::{Attribute, DeriveInput, Ident, Result, Token, parenthesized, token};

/// The integer types that an enum may have: those of the same size on every machine.
const INTEGERS: [&str; 8] = ["u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64"];

/// All words of a type's `repr` attributes, without their arguments.
pub(crate) struct Repr(Vec<Ident>);

struct Words(Vec<Ident>);

impl Parse for Words {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut words = Vec::new();
        while !input.is_empty() {
            words.push(input.parse()?);
            if input.peek(token::Paren) {
                let argument;
                parenthesized!(argument in input);
                argument.parse::<proc_macro2::TokenStream>()?;
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(Self(words))
    }
}

impl Repr {
    pub(crate) fn of(input: &DeriveInput) -> Result<Self> {
        let is_repr = |attribute: &&Attribute| attribute.path().is_ident("repr");
        let mut all = Vec::new();
        for attribute in input.attrs.iter().filter(is_repr) {
            all.extend(attribute.parse_args::<Words>()?.0);
        }
        Ok(Self(all))
    }

    pub(crate) fn has(&self, word: &str) -> bool {
        self.0.iter().any(|ident| ident == word)
    }

    /// Returns the integer type of an enum.
    pub(crate) fn integer(&self) -> Option<&Ident> {
        self.0.iter().find(|ident| INTEGERS.iter().any(|integer| ident == integer))
    }
}
