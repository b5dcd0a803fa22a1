#[derive(Clone, Copy, shmring::Element)]
struct Trade { //~ `Trade` needs `#[repr(C)]`
    price: f64,
}

fn main() {}
