;; Each instruction fills 32 MiB.
(func $attack (result i32)
    (drop (memory.grow (i32.const 512)))
    (loop $again
        (memory.fill (i32.const 65536) (i32.const 1) (i32.const 33000000))
        (br $again))
    unreachable)
