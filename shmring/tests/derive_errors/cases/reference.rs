#[derive(Clone, Copy, shmring::Element)]
#[repr(C)]
struct Trade {
    price: f64,
    venue: &'static str, //~ field `venue` of `Trade` is a reference
}

fn main() {}
