;; Traps.
(func $attack (result i32) unreachable)
