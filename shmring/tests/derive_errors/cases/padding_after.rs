#[derive(Clone, Copy, shmring::Element)]
#[repr(C)]
struct Trade {
    price: f64,
    size: u32, //~ `Trade` has padding after its field `size`
}

fn main() {}
