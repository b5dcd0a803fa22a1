#[derive(Clone, Copy, shmring::Element)]
#[repr(C)]
struct Trade {
    price: f64,
    next: *const f64, //~ field `next` of `Trade` is a pointer
}

fn main() {}
