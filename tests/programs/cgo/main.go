// cgo: Go whose goroutines call malloc and free in C; C keeps one block of 3,000,017 bytes, and a string.
package main

/*
#include <stdlib.h>
#include <string.h>
static void *hold(size_t n) { return memset(malloc(n), 1, n); }
*/
import "C"
import "fmt"

func main() {
	blocks := make(chan int)
	for worker := 0; worker < 4; worker++ {
		go func() {
			for i := 0; i < 500; i++ {
				C.free(C.hold(C.size_t(1000 + i)))
			}
			blocks <- 500
		}()
	}
	total := 0
	for worker := 0; worker < 4; worker++ {
		total += <-blocks
	}
	C.hold(3000017)
	text := C.CString("kept by C")
	garbage := make([][]byte, 0)
	for i := 0; i < 1000; i++ {
		garbage = append(garbage, make([]byte, 10000))
	}
	fmt.Println(total, C.GoString(text), len(garbage))
}
