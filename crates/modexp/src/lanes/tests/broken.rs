//! A kernel with a fault is found out before its first use.

use super::*;

/// Kernels that lose numbers: for one digit of an exponent that tables choose by, or in one lane.
pub(crate) static ZEROING: [Kernel; 2] = [
    Kernel {
        select_shared: |out, table, row, keys| {
            kernel::select_shared::<Model>(out, table, row, keys);
            for column in out {
                column
                    .0
                    .iter_mut()
                    .zip(keys.0)
                    .filter(|(_, key)| *key == 20)
                    .for_each(|(digit, _)| *digit = 0);
            }
        },
        ..MODEL_KERNEL
    },
    Kernel {
        square: |out, a, moduli, t| {
            kernel::square::<Model>(out, a, moduli, t);
            out.as_flattened_mut().iter_mut().for_each(|column| column.0[3] = 0);
        },
        square_and_double: |out, a, active, moduli, t| {
            kernel::square_and_double::<Model>(out, a, active, moduli, t);
            out.as_flattened_mut().iter_mut().for_each(|column| column.0[3] = 0);
        },
        ..MODEL_KERNEL
    },
];

/// A kernel whose third lane gives what the fifth does.
pub(crate) static COPYING: Kernel = Kernel {
    multiply: |out, a, b, moduli, t| {
        kernel::multiply::<Model>(out, a, b, moduli, t);
        out.as_flattened_mut().iter_mut().for_each(|column| column.0[2] = column.0[4]);
    },
    square: |out, a, moduli, t| {
        kernel::square::<Model>(out, a, moduli, t);
        out.as_flattened_mut().iter_mut().for_each(|column| column.0[2] = column.0[4]);
    },
    square_and_double: |out, a, active, moduli, t| {
        kernel::square_and_double::<Model>(out, a, active, moduli, t);
        out.as_flattened_mut().iter_mut().for_each(|column| column.0[2] = column.0[4]);
    },
    ..MODEL_KERNEL
};

/// Kernels with a fault in one function each, as a processor might have in one lane.
static BROKEN: [Kernel; 17] = [
    Kernel {
        multiply: |out, a, b, moduli, t| {
            kernel::multiply::<Model>(out, a, b, moduli, t);
            out[0][0].0[7] ^= 1;
        },
        ..MODEL_KERNEL
    },
    Kernel {
        square: |out, a, moduli, t| {
            kernel::square::<Model>(out, a, moduli, t);
            out[0][1].0[6] ^= 1;
        },
        ..MODEL_KERNEL
    },
    Kernel {
        square_and_double: |out, a, active, moduli, t| {
            kernel::square_and_double::<Model>(out, a, active, moduli, t);
            out[0][2].0[1] ^= 1;
        },
        ..MODEL_KERNEL
    },
    Kernel { subtract_once: |_, _, _| (), ..MODEL_KERNEL },
    Kernel { double: |_, _, _, _| (), ..MODEL_KERNEL },
    Kernel { select: |out, table, _| out.copy_from_slice(&table[..out.len()]), ..MODEL_KERNEL },
    Kernel { twice: |out, x| out.copy_from_slice(x), ..MODEL_KERNEL },
    Kernel {
        multiply_pairs: |out, x, y, moduli, t| {
            pairs::multiply_pairs::<Model>(out, x, y, moduli, t);
            out[0][3].0[5] ^= 1;
        },
        ..MODEL_KERNEL
    },
    Kernel {
        square_pairs: |out, x, moduli, t| {
            pairs::square_pairs::<Model>(out, x, moduli, t);
            out[5][4].0[4] ^= 1;
        },
        ..MODEL_KERNEL
    },
    Kernel { unit_pair: |_, _, _, _| (), ..MODEL_KERNEL },
    Kernel { enter: |out, x, _, _| out.copy_from_slice(x), ..MODEL_KERNEL },
    Kernel { leave: |out, pair, _, _, _| out.copy_from_slice(pair), ..MODEL_KERNEL },
    Kernel {
        multiply_across: |out, a, b, n| {
            across::multiply_across::<Model>(out, a, b, n);
            out[1].0[2] ^= 1;
        },
        ..MODEL_KERNEL
    },
    Kernel {
        multiply_pairs_across: |out, x, y, n| {
            across::multiply_pairs_across::<Model>(out, x, y, n);
            out[3].0[0] ^= 1;
        },
        ..MODEL_KERNEL
    },
    Kernel {
        square_pairs_across: |out, x, n, twice| {
            across::square_pairs_across::<Model>(out, x, n, twice);
            out[0].0[0] ^= 1;
        },
        ..MODEL_KERNEL
    },
    Kernel {
        select_shared: |out, table, columns, keys| {
            kernel::select_shared::<Model>(out, table, columns, keys);
            out[9].0[3] ^= 1;
        },
        ..MODEL_KERNEL
    },
    // Wrong at one width alone.
    Kernel {
        multiply_pairs_across: |out, x, y, n| {
            across::multiply_pairs_across::<Model>(out, x, y, n);
            if n.n.len() == 7 {
                out[6].0[5] ^= 1;
            }
        },
        ..MODEL_KERNEL
    },
];

/// A kernel that computes something else is never given out; a sound one is.
#[test]
fn a_broken_kernel_stays_off() {
    let detect: [fn() -> Option<&'static Kernel>; 17] = [
        || Some(&BROKEN[0]),
        || Some(&BROKEN[1]),
        || Some(&BROKEN[2]),
        || Some(&BROKEN[3]),
        || Some(&BROKEN[4]),
        || Some(&BROKEN[5]),
        || Some(&BROKEN[6]),
        || Some(&BROKEN[7]),
        || Some(&BROKEN[8]),
        || Some(&BROKEN[9]),
        || Some(&BROKEN[10]),
        || Some(&BROKEN[11]),
        || Some(&BROKEN[12]),
        || Some(&BROKEN[13]),
        || Some(&BROKEN[14]),
        || Some(&BROKEN[15]),
        || Some(&BROKEN[16]),
    ];
    for (index, detect) in detect.into_iter().enumerate() {
        let switch = Switch::new(detect);
        assert!(switch.kernel().is_none(), "function {index}");
        assert_eq!(switch.state(), Lanes::Faulty, "function {index}");
    }
    let sound = Switch::new(|| Some(&MODEL));
    assert!(sound.kernel().is_some_and(|kernel| std::ptr::eq(kernel, &raw const MODEL)));
    assert_eq!(sound.state(), Lanes::Used);
    let absent = Switch::new(|| None);
    assert!(absent.kernel().is_none());
    assert_eq!(absent.state(), Lanes::Absent);
}
