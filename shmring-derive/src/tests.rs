//! The derive's own errors.

use syn::parse_str;

use super::derive;

fn refusal(source: &str) -> String {
    let input = parse_str(source).unwrap();
    derive(&input).unwrap_err().to_string()
}

/// Catches a type that is accepted although two programs may lay it out differently, or although
/// its bytes cannot be checked, and an error that does not name the type and the remedy.
#[test]
fn types_without_a_fixed_layout_are_refused() {
    for (source, words) in [
        ("struct Trade { price: f64 }", "`Trade` needs `#[repr(C)]`; add it above the struct"),
        ("#[repr(align(8))] struct Trade { price: f64 }", "`Trade` needs `#[repr(C)]`"),
        ("#[repr(packed)] struct Trade { price: f64 }", "`Trade` needs `#[repr(C)]`"),
        (
            "enum Side { Buy, Sell }",
            "`Side` needs an integer representation, such as `#[repr(u8)]`",
        ),
        ("#[repr(C)] enum Side { Buy, Sell }", "`Side` needs an integer representation"),
        ("#[repr(usize)] enum Side { Buy, Sell }", "whose sizes are the same on every machine"),
        ("#[repr(u8)] enum Side { Buy, Sell(u32) }", "variant `Sell` of `Side` has fields"),
        ("#[repr(u8)] enum Side {}", "`Side` has no variants"),
        ("#[repr(C)] struct Trade<'a>(&'a f64);", "`Trade` has the lifetime `'a`"),
        ("#[repr(C)] struct Call(fn());", "field `0` of `Call` is a pointer"),
        ("#[repr(C)] union Either { a: u32, b: f32 }", "`Either` is a union"),
    ] {
        let refusal = refusal(source);
        assert!(refusal.contains(words), "{source}: {refusal}");
    }
}

/// Catches padding that is reported without its place: the compiler shows these words at the field.
#[test]
fn padding_is_named_after_the_field_beside_it() {
    let source = "#[repr(C)] struct Trade { size: u32, r#type: f64, #[doc = \"\"] side: u8 }";
    let tokens = derive(&parse_str(source).unwrap()).unwrap().to_string();
    for words in [
        "`Trade` has padding before its field `size`",
        "`Trade` has padding before its field `type`",
        "`Trade` has padding before its field `side`",
        "`Trade` has padding after its field `side`",
    ] {
        assert!(tokens.contains(words), "{words}: {tokens}");
    }
    let tokens = derive(&parse_str("#[repr(C)] struct Pair(u8, u16);").unwrap()).unwrap();
    assert!(tokens.to_string().contains("`Pair` has padding before its field `1`"));
}

/// Catches a representation that is not found among others.
#[test]
fn representations_may_stand_among_others() {
    for source in [
        "#[repr(C)] struct Trade { price: f64 }",
        "#[repr(C, packed(2))] struct Trade { price: f64, size: u32 }",
        "#[repr(align(64))] #[repr(C)] struct Trade([u64; 8]);",
        "#[repr(transparent)] struct Price(f64);",
        "#[repr(C)] struct Nothing;",
        "#[repr(C, i16)] enum Side { Buy = -1, Sell = 1 }",
        "#[repr(C)] struct Pair<T: Copy, const COUNT: usize> { first: T, rest: [T; COUNT] }",
    ] {
        assert!(derive(&parse_str(source).unwrap()).is_ok(), "{source}");
    }
}
