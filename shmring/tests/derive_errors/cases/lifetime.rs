#[derive(Clone, Copy, shmring::Element)]
#[repr(C)]
struct Trade<'a> { //~ `Trade` has the lifetime `'a`
    price: &'a f64,
}

fn main() {}
