;; Fails with a message of 4 MiB.
(func $attack (result i32)
    (drop (memory.grow (i32.const 100)))
    (memory.fill (i32.const 65536) (i32.const 0x78) (i32.const 4194304))
    (drop (call $error (i32.const 1)))
    (i32.store (i32.const 2064) (i32.const 65536))
    (i32.store (i32.const 2068) (i32.const 4194304))
    (i32.const 2048))
