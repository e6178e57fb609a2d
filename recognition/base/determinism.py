"""The same numbers everywhere: one instruction set, one thread an operation, and a generator for every purpose.

Results of a CPU training repeat from run to run, but change with the instruction set that ATen, oneDNN and MKL pick for
the processor they find, and with the number of threads that share a sum. `pin_arithmetic` settles the first for every
x86-64 processor with AVX2; `pin_torch` the second. numpy cannot be told: where its results are kept, it is given sums,
products and quotients, which it rounds alike everywhere. This module imports torch only when it is asked to.
"""

import ctypes
import hashlib
import io
import os
import sys

from recognition.base.errors import UserError

ENVIRONMENT = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "ONEDNN_DEFAULT_FPMATH_MODE": "STRICT",  # anything else computes with fewer bits
    "MKL_CBWR": "COMPATIBLE",  # all that MKL heeds on every vendor's processor; see networks/quick/products.py
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # what torch asks for before it calls cuBLAS deterministic
}


def pin_arithmetic() -> None:
    """Choose kernels that every processor has. The libraries read this once, so call it before torch is imported."""
    if "torch" in sys.modules:
        raise RuntimeError("pin_arithmetic() must run before torch is imported")
    os.environ.update(ENVIRONMENT)


def pin_arithmetic_once() -> None:
    """The same in a process that serves one program after another: torch may be there, if it came after the pinning."""
    if "torch" not in sys.modules:
        pin_arithmetic()
    elif any(os.environ.get(name) != value for name, value in ENVIRONMENT.items()):
        raise UserError("torch was imported before the arithmetic was settled; start this worker anew")


def pin_torch() -> None:
    """One thread an operation, so that no sum depends on the number of cores, and no kernel that varies.

    What is done side by side is divided by our own code, in pieces of fixed size.
    """
    import torch

    torch.set_num_threads(1)
    # use_deterministic_algorithms(True), without its import of torch's compiler: most of a second
    torch.set_deterministic_debug_mode("error")
    # It costs time, and nothing here reads such memory.
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyrefly: ignore[missing-attribute]
    torch.backends.cudnn.benchmark = False
    # 10 bits of 23
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    keep_memory()


def keep_memory() -> None:
    """Have glibc keep freed memory for the next step, instead of returning it and getting it back zeroed, page by page.

    Worth 5 to 20 % of a narrow network's training; elsewhere than on glibc it does nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        trim_threshold, mmap_threshold = -1, -3  # malloc.h's names for the two
        mallopt(mmap_threshold, 1 << 25)
        mallopt(trim_threshold, 1 << 30)


def generator(seed: int, *purpose: object):
    """A torch.Generator for one purpose, e.g. `generator(3, "order", epoch)`.

    Its draws depend on the seed and the purpose alone: not on another stage, on what ran before, or on how many numbers
    were drawn elsewhere.
    """
    import torch

    digest = hashlib.sha256(repr((seed, *purpose)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little", signed=True))


def serialised(state: object) -> bytes:
    """torch.save to memory: saved to a file, the bytes would depend on the file's name."""
    import torch

    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()
