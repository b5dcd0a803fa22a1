#[derive(Clone, Copy, shmring::Element)]
#[repr(C)]
struct Trade {
    size: u32,
    price: f64, //~ `Trade` has padding before its field `price`
}

fn main() {}
