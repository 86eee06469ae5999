"""While a program runs on a CPU, denormal numbers count as zero, as with XLA; they would take many times as long.

What says so is a register of the core, which belongs to the calling thread and is put back afterwards.
"""

import warp as wp


@wp.func_native("""
#if defined(__x86_64__) && !defined(__CUDA_ARCH__)
    const unsigned int before = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr(before | 0x8040);  // flush to zero, denormals are zero
    return before;
#elif defined(__aarch64__) && !defined(__CUDA_ARCH__)
    const unsigned int before = (unsigned int)__builtin_arm_rsr64("fpcr");
    __builtin_arm_wsr64("fpcr", before | (1u << 24));  // flush to zero
    return before;
#else
    return 0;
#endif
""")
def flush_denormals() -> wp.uint32:
    """Denormal numbers count as zero from now on; returns what `restore_denormals` takes."""


@wp.func_native("""
#if defined(__x86_64__) && !defined(__CUDA_ARCH__)
    __builtin_ia32_ldmxcsr(before);
#elif defined(__aarch64__) && !defined(__CUDA_ARCH__)
    __builtin_arm_wsr64("fpcr", (unsigned long)before);
#endif
""")
def restore_denormals(before: wp.uint32):
    """As it was before `flush_denormals`."""
