#[derive(Clone, Copy, shmring::Element)]
#[repr(C)]
struct Trade {
    index: usize, //~ `usize` is not an element
}

fn main() {}
