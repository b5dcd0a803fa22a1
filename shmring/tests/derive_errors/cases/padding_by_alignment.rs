#[derive(Clone, Copy, shmring::Element)]
#[repr(C, align(16))]
struct Price(f64); //~ `Price` has padding after its field `0`

fn main() {}
