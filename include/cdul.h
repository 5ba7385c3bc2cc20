/* libcdul: unlabelled images and class names in, a multi-label classifier out. This header includes
 * all others but train.h, which is of a second library, libcdul_train: only who trains needs
 * libtorch.
 *
 *   cdul/label.h       images and class names to pseudo-labels
 *   cdul/train.h       pseudo-labels to a trained model
 *   cdul/classifier.h  a trained model's scores of images
 *   cdul/eval.h        scores and ground truth to measures
 *   cdul/report.h      predictions and measures to files and pages
 *   encoder.h, error.h, file.h, image.h, labels.h, progress.h, provider.h, skipped.h, strings.h,
 *   versions.h         what these are made of, and what a program needs besides
 *
 * A program that labels the images of a folder, trains a model on the labels and looks at the
 * images with it, in 25 lines:
 *
 *   #include <cdul.h>
 *   #include <cdul/train.h>
 *   #include <stdio.h>
 *
 *   static cdul_status show(void *names, size_t i, const float *p, void *kept, cdul_error *err) {
 *       (void)kept, (void)err;
 *       printf("%s %.3f\n", ((cdul_strings *)names)->items[i], p[0]);
 *       return CDUL_OK;
 *   }
 *
 *   int main(void) {
 *       const char *photos = "photos";
 *       cdul_error err;
 *       cdul_classes classes = {0};
 *       cdul_strings paths = {0}, names = {0};
 *       cdul_label_result labelled = {0};
 *       cdul_classifier *model = NULL;
 *       cdul_label_params label = cdul_label_defaults();
 *       label.encoder = "encoder", label.classes = &classes;
 *       label.images = &photos, label.n_images = 1;
 *       cdul_train_params train = cdul_train_defaults();
 *       train.labels = "labels.safetensors", train.root = photos, train.output = "run";
 *       cdul_predict_params predict = cdul_predict_defaults();
 *       predict.predicted = show, predict.user = &names;
 *       cdul_status status = cdul_classes_read("classes.txt", &classes, &err);
 *       if (status == CDUL_OK) status = cdul_label(&label, &labelled, &err);
 *       if (status == CDUL_OK) status = cdul_labels_write(train.labels, &labelled.labels, &err);
 *       if (status == CDUL_OK) status = cdul_train(&train, NULL, &err);
 *       if (status == CDUL_OK) status = cdul_list_images(&photos, 1, NULL, &paths, &names, &err);
 *       if (status == CDUL_OK) status = cdul_classifier_open(train.output, NULL, &model, &err);
 *       if (status == CDUL_OK) status = cdul_classifier_predict(model, &paths, &predict, &err);
 *       if (status != CDUL_OK) fprintf(stderr, "%s\n", err.message);
 *       cdul_classifier_close(model);
 *       cdul_label_result_free(&labelled), cdul_classes_free(&classes);
 *       cdul_strings_free(&paths), cdul_strings_free(&names);
 *       return status != CDUL_OK;
 *   }
 *
 * Errors. What can fail returns a cdul_status and writes one line into the caller's cdul_error.
 * Outputs are then empty: there is nothing to free, and freeing them does no harm.
 *
 * Ownership. Who opens, closes (NULL too); who is given a result, frees it. Pointers in params and
 * options are borrowed during the call, or as long as the object lives where its header says so.
 * What a getter returns lives as long as its object.
 *
 * Threads. There is no state but that of the objects. An object is used by one thread at a time,
 * different objects by different threads at the same time; what is passed as const may be shared
 * where nobody changes it. The library starts threads of its own, which end before the call returns
 * or the object is closed. Callbacks come in the thread that called, but for should_stop and
 * cdul_predict_params' `keep`, which come in others too.
 *
 * Environment. The library prints nothing, catches no signal, ends no process, and neither reads
 * nor changes the environment. ONNX Runtime reads ORT_DISABLE_TELEMETRY: see provider.h. */
#pragma once

#include "cdul/classifier.h"
#include "cdul/encoder.h"
#include "cdul/error.h"
#include "cdul/eval.h"
#include "cdul/file.h"
#include "cdul/image.h"
#include "cdul/label.h"
#include "cdul/labels.h"
#include "cdul/progress.h"
#include "cdul/provider.h"
#include "cdul/report.h"
#include "cdul/skipped.h"
#include "cdul/strings.h"
#include "cdul/versions.h"
