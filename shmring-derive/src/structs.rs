//! Structs: fields that are elements, with no padding between them.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{DataStruct, DeriveInput, Error, Field, Index, Member, Result, Type};

use crate::repr::Repr;
use crate::{Body, id};

pub(crate) fn body(input: &DeriveInput, data: &DataStruct) -> Result<Body> {
    let repr = Repr::of(input)?;
    if !repr.has("C") && !repr.has("transparent") {
        let words = format!(
            "`{}` needs `#[repr(C)]`; add it above the struct, since without it two programs may lay \
             out the fields differently (`#[repr(transparent)]` does as well)",
            input.ident
        );
        return Err(Error::new_spanned(&input.ident, words));
    }
    let fields: Vec<(Member, &Field)> = data
        .fields
        .iter()
        .enumerate()
        .map(|(index, field)| {
            let unnamed = || Member::Unnamed(Index::from(index));
            (field.ident.clone().map_or_else(unnamed, Member::Named), field)
        })
        .collect();
    for (member, field) in &fields {
        refuse_address(input, member, &field.ty)?;
    }
    let mut always_valid = quote!(true);
    let mut is_valid = quote!(bytes.len() == ::core::mem::size_of::<Self>());
    for (member, Field { ty, .. }) in &fields {
        always_valid = quote!(#always_valid && <#ty as ::shmring::Element>::ALWAYS_VALID);
        is_valid = quote! {
            #is_valid && ::shmring::__field_is_valid::<#ty>(
                bytes,
                ::core::mem::offset_of!(Self, #member),
            )
        };
    }
    Ok(Body {
        parts: fields.iter().map(|(_, field)| field.ty.clone()).collect(),
        id: struct_id(input, &fields),
        always_valid,
        is_valid,
    })
}

/// Refuses an address, which the bounds do as well, but with errors about `Send` among others.
fn refuse_address(input: &DeriveInput, member: &Member, ty: &Type) -> Result<()> {
    let what = match ty {
        Type::Reference(_) => "reference",
        Type::Ptr(_) | Type::BareFn(_) => "pointer",
        _ => return Ok(()),
    };
    let words = format!(
        "field `{}` of `{}` is a {what}, which is not valid in another process; store the value \
         itself, or an index or offset",
        field_name(member),
        input.ident
    );
    Err(Error::new_spanned(ty, words))
}

/// Returns the expression of the id, whose evaluation fails if there is padding.
fn struct_id(input: &DeriveInput, fields: &[(Member, &Field)]) -> TokenStream {
    let start = id("struct", input);
    let name = &input.ident;
    let mut steps = TokenStream::new();
    for (member, field) in fields {
        let (ty, text) = (&field.ty, field_name(member));
        let words = format!("`{name}` has padding before its field `{text}`; {REMEDY}");
        let check = panic_at(field.span(), &words);
        steps.extend(quote! {
            if ::core::mem::offset_of!(Self, #member) != end {
                #check
            }
            end += ::core::mem::size_of::<#ty>();
            id = id
                .text(#text)
                .number(::core::mem::offset_of!(Self, #member) as u64)
                .number(<#ty as ::shmring::Element>::TYPE_ID);
        });
    }
    // A struct without fields has size 0, whatever its alignment.
    let check = fields.last().map(|(member, field)| {
        let text = field_name(member);
        let words = format!("`{name}` has padding after its field `{text}`; {REMEDY}");
        panic_at(field.span(), &words)
    });
    quote! {{
        #[allow(unused_mut)]
        let mut end = 0;
        #[allow(unused_mut)]
        let mut id = #start
            .number(::core::mem::size_of::<Self>() as u64)
            .number(::core::mem::align_of::<Self>() as u64);
        #steps
        if ::core::mem::size_of::<Self>() != end {
            #check
        }
        id.finish()
    }}
}

const REMEDY: &str = "order the fields from the largest alignment to the smallest, or fill the gap \
                      with a field such as `reserved: [u8; 4]`";

fn panic_at(span: proc_macro2::Span, words: &str) -> TokenStream {
    quote_spanned!(span=> ::core::panic!("{}", #words);)
}

fn field_name(member: &Member) -> String {
    match member {
        Member::Named(name) => name.to_string().trim_start_matches("r#").to_owned(),
        Member::Unnamed(index) => index.index.to_string(),
    }
}
