#[derive(shmring::Element)]
#[repr(C)]
struct Trade { //~ `Trade: Copy` is not satisfied
    price: f64,
}

fn main() {}
