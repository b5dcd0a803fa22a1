//! Enums: variants without fields, each with a known integer value.

use quote::quote;
use syn::{DataEnum, DeriveInput, Error, Result};

use crate::repr::Repr;
use crate::{Body, id};

pub(crate) fn body(input: &DeriveInput, data: &DataEnum) -> Result<Body> {
    let name = &input.ident;
    let repr = Repr::of(input)?;
    let Some(integer) = repr.integer() else {
        let words = format!(
            "`{name}` needs an integer representation, such as `#[repr(u8)]`: one of u8 to u64 or \
             i8 to i64, whose sizes are the same on every machine"
        );
        return Err(Error::new_spanned(name, words));
    };
    if let Some(variant) = data.variants.iter().find(|variant| !variant.fields.is_empty()) {
        let words = format!(
            "variant `{}` of `{name}` has fields: an element is an enum without any, or a struct \
             with such an enum in it",
            variant.ident
        );
        return Err(Error::new_spanned(variant, words));
    }
    if data.variants.is_empty() {
        let words = format!("`{name}` has no variants, so there is no value of it to send");
        return Err(Error::new_spanned(name, words));
    }
    let mut type_id = id("enum", input);
    type_id = quote!(#type_id.number(<#integer as ::shmring::Element>::TYPE_ID));
    let mut is_one = quote!(false);
    for variant in &data.variants {
        let ident = &variant.ident;
        let text = ident.to_string();
        let text = text.trim_start_matches("r#");
        type_id = quote!(#type_id.text(#text).number(Self::#ident as #integer as u64));
        is_one = quote!(#is_one || number == Self::#ident as #integer);
    }
    Ok(Body {
        parts: Vec::new(),
        id: quote!(#type_id.finish()),
        always_valid: quote!(false),
        is_valid: quote! {
            match <[u8; ::core::mem::size_of::<#integer>()]>::try_from(bytes) {
                Ok(bytes) => {
                    let number = <#integer>::from_ne_bytes(bytes);
                    #is_one
                }
                Err(_) => false,
            }
        },
    })
}
