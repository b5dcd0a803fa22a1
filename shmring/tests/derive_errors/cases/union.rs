#[derive(Clone, Copy, shmring::Element)]
#[repr(C)]
union Either { //~ `Either` is a union
    number: u32,
    float: f32,
}

fn main() {}
