// kstatus reads shapes of status with the library that Flux, kpt and Helm wait with, and compares the
// result with what the operator's own tests expect.
//
//	go run . ../data/kstatus/*.json
//
// Exit codes: 0 all shapes are read as expected, 1 one is not, 2 the file cannot be read.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

type shape struct {
	State    string         `json:"state"`
	Expected string         `json:"expected"`
	Object   map[string]any `json:"object"`
}

func main() {
	var shapes []shape
	for _, path := range os.Args[1:] {
		var found []shape
		text, err := os.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(text, &found)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "cannot read %s: %v\n", path, err)
			os.Exit(2)
		}
		shapes = append(shapes, found...)
	}
	if len(shapes) == 0 {
		fmt.Fprintln(os.Stderr, "usage: kstatus SHAPES.json...")
		os.Exit(2)
	}
	differ := 0
	for _, shape := range shapes {
		result, err := status.Compute(&unstructured.Unstructured{Object: integers(shape.Object)})
		if err != nil {
			fmt.Printf("%s: %v\n", shape.State, err)
			differ++
			continue
		}
		mark := "ok"
		if result.Status.String() != shape.Expected {
			mark = "expected " + shape.Expected
			differ++
		}
		fmt.Printf("%-45s %-12s %s\n", shape.State, result.Status, mark)
	}
	fmt.Printf("%d shapes, %d differ\n", len(shapes), differ)
	if differ > 0 {
		os.Exit(1)
	}
}

// integers turns whole numbers into int64, as Kubernetes decodes them.
func integers(object map[string]any) map[string]any {
	for key, value := range object {
		switch value := value.(type) {
		case float64:
			object[key] = int64(value)
		case map[string]any:
			object[key] = integers(value)
		case []any:
			for index, item := range value {
				if item, ok := item.(map[string]any); ok {
					value[index] = integers(item)
				}
			}
		}
	}
	return object
}
