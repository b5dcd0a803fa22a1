#[derive(Clone, Copy, shmring::Element)]
enum Side { //~ `Side` needs an integer representation, such as `#[repr(u8)]`
    Buy,
    Sell,
}

fn main() {}
