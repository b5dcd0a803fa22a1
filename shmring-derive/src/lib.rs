//! `#[derive(Element)]`; see `shmring::Element`.

mod enums;
mod repr;
mod structs;

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Data, DeriveInput, Error, GenericParam, Result, parse_macro_input};

/// Derives `Element`; the documentation is at shmring's re-export.
#[proc_macro_derive(Element)]
pub fn derive_element(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    derive(&input).unwrap_or_else(Error::into_compile_error).into()
}

/// The parts of an implementation that differ between structs and enums.
struct Body {
    /// The types of the fields, which must be elements.
    parts: Vec<syn::Type>,
    /// The values of the trait's items, as expressions.
    id: TokenStream,
    always_valid: TokenStream,
    is_valid: TokenStream,
}

fn derive(input: &DeriveInput) -> Result<TokenStream> {
    if let Some(lifetime) = input.generics.lifetimes().next() {
        let words = format!(
            "`{}` has the lifetime `{}`: an element holds no references, which are not valid in \
             another process; store the values themselves",
            input.ident, lifetime.lifetime
        );
        return Err(Error::new_spanned(lifetime, words));
    }
    let body = match &input.data {
        Data::Struct(data) => structs::body(input, data)?,
        Data::Enum(data) => enums::body(input, data)?,
        Data::Union(_) => {
            let words = format!(
                "`{}` is a union, whose valid field is not known to a receiver; use a struct",
                input.ident
            );
            return Err(Error::new_spanned(&input.ident, words));
        }
    };
    Ok(implementation(input, &body))
}

fn implementation(input: &DeriveInput, body: &Body) -> TokenStream {
    let name = &input.ident;
    let parameterless = input.generics.params.is_empty();
    let mut generics = input.generics.clone();
    let parameters: Vec<_> = input.generics.type_params().map(|param| &param.ident).collect();
    let predicates = &mut generics.make_where_clause().predicates;
    for parameter in &parameters {
        predicates.push(syn::parse_quote!(#parameter: ::shmring::Element));
    }
    // Without parameters, the constants use each part as an element; a bound would report the same
    // error a second time, at the name of the type.
    let parts = if parameterless { &[] } else { &body.parts[..] };
    for part in parts {
        // At the field, so that an error about its type points there.
        let span = syn::spanned::Spanned::span(part);
        let bound = quote_spanned!(span=> #part: ::shmring::Element);
        predicates.push(syn::parse_quote!(#bound));
    }
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let display = type_name(input);
    let Body { id, always_valid, is_valid, .. } = body;
    // A type without parameters is checked at its declaration, any other at its use.
    let check = parameterless.then(|| {
        quote! {
            const _: u64 = <#name as ::shmring::Element>::TYPE_ID;
        }
    });
    quote! {
        #[automatically_derived]
        // SAFETY: every part is an element, and they leave no byte out, or `TYPE_ID` does not
        // compile, without which there is no handle; `is_valid` checks each part.
        unsafe impl #impl_generics ::shmring::Element for #name #type_generics #where_clause {
            const NAME: ::shmring::TypeName = #display;
            const TYPE_ID: u64 = #id;
            const ALWAYS_VALID: bool = #always_valid;

            #[inline]
            fn is_valid(bytes: &[u8]) -> bool {
                #is_valid
            }
        }
        #check
    }
}

/// Returns the expression of the name, with the type's arguments.
fn type_name(input: &DeriveInput) -> TokenStream {
    let name = input.ident.to_string();
    let name = name.trim_start_matches("r#");
    let mut display = quote!(::shmring::TypeName::new(#name));
    let mut separator = "<";
    for param in &input.generics.params {
        let argument = match param {
            GenericParam::Type(param) => {
                let ident = &param.ident;
                quote!(followed_by(<#ident as ::shmring::Element>::NAME.as_str()))
            }
            GenericParam::Const(param) => {
                let ident = &param.ident;
                quote!(followed_by_number(#ident as u64))
            }
            GenericParam::Lifetime(_) => continue,
        };
        display = quote!(#display.followed_by(#separator).#argument);
        separator = ", ";
    }
    if separator == ", " {
        display = quote!(#display.followed_by(">"));
    }
    display
}

/// Returns the expression that starts a type's id: the kind of type, its name, and its arguments.
fn id(what: &str, input: &DeriveInput) -> TokenStream {
    let name = input.ident.to_string();
    let name = name.trim_start_matches("r#");
    let mut id = quote!(::shmring::__Id::of(#what).text(#name));
    for param in &input.generics.params {
        match param {
            GenericParam::Type(param) => {
                let ident = &param.ident;
                id = quote!(#id.number(<#ident as ::shmring::Element>::TYPE_ID));
            }
            GenericParam::Const(param) => {
                let ident = &param.ident;
                id = quote!(#id.number(#ident as u64));
            }
            GenericParam::Lifetime(_) => {}
        }
    }
    id
}

#[cfg(test)]
mod tests;
