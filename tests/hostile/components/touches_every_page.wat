;; Takes all the memory it may have and writes to each page of it, for ever.
(func $attack (result i32)
    (local $at i32)
    (loop $more (br_if $more (i32.ne (i32.const -1) (memory.grow (i32.const 16)))))
    (loop $touch
        (local.set $at (i32.add (local.get $at) (i32.const 4096)))
        (if (i32.ge_u (local.get $at) (i32.shl (memory.size) (i32.const 16)))
            (then (local.set $at (i32.const 65536))))
        (i32.store (local.get $at) (local.get $at))
        (br $touch))
    unreachable)
